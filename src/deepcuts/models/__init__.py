"""Models and tokenizers found, checked, loaded and saved; the sparse file and its Transformers plugin."""
