"""What `benches/run.py` is made of: components, servers, load, start times, rows, and the report of them."""
