"""The model server beside KServe's and MLServer's: same graph, same request, same client, in one run."""
