"""Pure builders: a step or an endpoint becomes the dictionary of a Kubernetes object."""
