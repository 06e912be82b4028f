# An image that names no user, and so insists on root.
ARG BASE=python:3.13-slim
FROM ${BASE}
USER 0
