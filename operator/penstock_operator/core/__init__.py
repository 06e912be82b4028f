"""The pure heart: decisions over frozen values. No clock, no I/O, no asyncio.

    plan_pipeline.plan_pipeline(observed: ObservedPipeline, now, settings) -> Plan
    plan_run.plan_run(observed: ObservedRun, now, settings) -> Plan
    plan_endpoint.plan_endpoint(observed: ObservedEndpoint, now, settings) -> Plan

What they may look at is in observed.py and its neighbours, what they may ask for in actions.py.
"""
