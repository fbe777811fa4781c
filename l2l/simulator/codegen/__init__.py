"""From equations as data to kernel source: parser, expression graph, SIMD values, emitter."""
