"""The conformance kit: an integrator's whole life cycle, played against a sandbox.

It judges two sides: the sandbox, which it asks by itself (`server_checks`), and a client, a program that it
tells what to do and that speaks to the sandbox through a proxy which records and disturbs (`play`,
`client_checks`). It knows the registry through HTTP alone. docs/conformance.md is its manual.
"""
