"""What is decided once for all tenants: who has how much memory."""
