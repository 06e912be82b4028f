"""Pure decisions: plan(observed, now) -> Plan. No clock, no I/O, no asyncio."""
