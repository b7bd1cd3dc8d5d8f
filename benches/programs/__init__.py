"""What `harness.calls` starts to measure calls that a program makes."""
