"""From planned runs to trained networks: data, augmentation, loss, optimizers, the loop and its checkpoints."""
