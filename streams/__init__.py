"""Agent Streams: the event-driven state layer for fleets of AI agents and data jobs."""

__version__ = "0.1.0"
