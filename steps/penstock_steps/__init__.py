"""What runs in the containers of steps: fetch, the built-in kinds, publish. Heavy libraries are imported
where used.
"""
