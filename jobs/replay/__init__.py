"""A replay of the archive: a FlinkDeployment of its own that reads some hours, ends, and is compared with them."""
