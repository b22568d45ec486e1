"""CustomResourceDefinitions: their resources, schemas, conditions. Pure."""
