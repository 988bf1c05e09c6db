"""Write the predictions of teachers for much text to soft corpora."""
