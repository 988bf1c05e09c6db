"""Write the entities of a pipeline for much text to files."""
