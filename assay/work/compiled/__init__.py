"""Programs as machine code: fused loops in C around the vendors' integer products, with the reference's bits."""
