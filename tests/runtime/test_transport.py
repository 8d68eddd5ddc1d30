"""Faust's transport with our consumer."""

import faust

from streams.runtime.transport import transport


def test_a_consumer_knows_all_nodes_that_the_setting_names() -> None:
    app = faust.App("several-nodes", autodiscover=False)
    urls = transport(app, "127.0.0.1:9092, kafka-2:9093").url
    assert [(url.host, url.port) for url in urls] == [("127.0.0.1", 9092), ("kafka-2", 9093)]
