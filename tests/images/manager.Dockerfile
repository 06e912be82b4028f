# A controller's program and nothing else, as in the image that its own project publishes.
FROM scratch
ARG PROGRAM
COPY ${PROGRAM} /manager
USER 65532:65532
ENTRYPOINT ["/manager"]
