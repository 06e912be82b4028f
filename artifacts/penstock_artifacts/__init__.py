"""What lies in the store: content-addressed artifacts, and the formats of tables and models. Shared by steps
and server.
"""
