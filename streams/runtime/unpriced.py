"""A price book for those who only want to know what a record says."""

from streams.core.log import Call


class Unpriced:
    """Price book of a check: whether a record is admitted does not depend on its price."""

    version = ""

    def cost(self, call: Call, at: int) -> int | None:
        return None
