"""CustomResourceDefinitions out of the resource models."""
