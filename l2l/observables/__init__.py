"""From activity to what is measured: BOLD, functional connectivity, and what is compared with data."""
