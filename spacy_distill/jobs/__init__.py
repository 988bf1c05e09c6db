"""Jobs over many documents: shards of the input, processes that write them, and a folder in which a
job can continue."""
