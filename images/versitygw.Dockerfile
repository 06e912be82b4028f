# The S3 server of the chart's trial store: one static program, nothing else.
#
#   docker build -f images/versitygw.Dockerfile -t penstock/versitygw:v1.8.0 .
#
# compiles it from the pinned Go module. With the program at hand (python -m hack.cluster build versitygw), its folder
# is the context and nothing is compiled: --build-arg STAGE=prebuilt.
ARG STAGE=compiled

FROM golang:1.26 AS compiled
# go.sum holds the checksum of every module; a proxy that serves other bytes is refused.
COPY hack/cluster/tools/versitygw /module
WORKDIR /module
RUN CGO_ENABLED=0 go build -mod=readonly -trimpath -buildvcs=false -ldflags "-s -w -X main.Version=v1.8.0" \
    -o /versitygw github.com/versity/versitygw/cmd/versitygw

FROM scratch AS prebuilt
COPY versitygw /versitygw

# hadolint ignore=DL3006
FROM ${STAGE} AS chosen

FROM scratch
COPY --from=chosen /versitygw /versitygw
USER 65532:65532
EXPOSE 7070
ENTRYPOINT ["/versitygw"]
