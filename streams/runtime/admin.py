"""Admin client that does not mind a broker that has just ended."""

import random
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError


class Admin(AIOKafkaAdminClient):  # type: ignore[misc]
    """Asks the next broker when one can't be reached; aiokafka picks one at random and fails.

    A broker that ended is among those that clients know for seconds afterwards.
    """

    async def _send_request(self, request: Any, node_id: int | None = None) -> Any:
        if node_id is not None:
            return await super()._send_request(request, node_id)
        nodes = [broker.nodeId for broker in self._client.cluster.brokers()]
        random.shuffle(nodes)
        failure: Exception = KafkaConnectionError("no broker is known")
        for node in nodes:
            try:
                return await super()._send_request(request, node)
            except (KafkaConnectionError, NodeNotReadyError) as error:
                failure = error
        raise failure
