"""What goes over the wire: requests and answers as values, JSON, YAML and protobuf, discovery, OpenAPI. Pure."""
