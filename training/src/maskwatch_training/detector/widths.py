"""How wide the blocks of the detector's backbone are; apart from the network, which needs torch."""

# Channels between expansion and projection of each of the 16 blocks, in the full network.
FULL_WIDTHS = (
    32, 96, 144, 144, 240, 240, 480, 480, 480, 672, 672, 672, 1152, 1152, 1152, 1152,
)  # fmt: skip
