"""A local Reddit: tokens, text submissions and the own listing."""
