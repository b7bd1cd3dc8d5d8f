"""What runs inside a Python component: nothing but the standard library."""
