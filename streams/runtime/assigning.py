"""How a group of fold workers shares partitions: evenly, and what can stay where it is does."""

from collections.abc import Mapping
from typing import Any, ClassVar

from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment


class FoldAssignor(StickyPartitionAssignor):  # type: ignore[misc]
    """Shares the tenant log alone, then gives the control partition to one member.

    All in one, a worker of two could have nothing but control, which is hardly any work. Control
    stays with whom it was; else it goes to who has the least.
    """

    control: ClassVar[str] = ""
    """Full name of the control topic."""

    @classmethod
    def parse_member_metadata(cls, metadata: Any) -> Any:
        member = super().parse_member_metadata(metadata)
        return member._replace(
            partitions=[tp for tp in member.partitions if tp.topic != cls.control],
            subscription=[topic for topic in member.subscription if topic != cls.control],
        )

    @classmethod
    def assign(
        cls, cluster: Any, members: Mapping[str, Any]
    ) -> dict[str, ConsumerProtocolMemberAssignment]:
        shared: dict[str, ConsumerProtocolMemberAssignment] = super().assign(cluster, members)
        if not cluster.partitions_for_topic(cls.control):
            return shared
        had = {}
        for name, metadata in members.items():
            member = super().parse_member_metadata(metadata)
            if any(tp.topic == cls.control for tp in member.partitions):
                had[name] = member.generation
        owner = (
            max(had, key=lambda name: (had[name], name))
            if had
            else min(shared, key=lambda name: (_size(shared[name]), name))
        )
        assigned = sorted([*shared[owner].assignment, (cls.control, [0])])
        shared[owner] = ConsumerProtocolMemberAssignment(cls.version, assigned, b"")
        return shared


def fold_assignor(control: str) -> type[FoldAssignor]:
    """Make the assignor of a group whose control topic has this name."""
    return type("FoldAssignorOf", (FoldAssignor,), {"control": control})


def _size(assignment: Any) -> int:
    return sum(len(partitions) for _, partitions in assignment.assignment)
