"""The contract between the control plane and the data plane: the compiled configuration of one gateway."""
