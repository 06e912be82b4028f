"""The release that these packages belong to. Images hold the packages without a distribution's metadata."""

RELEASE = "0.1.0"
