"""Fine-tuning and evaluation: Hugging Face's Trainer, with masks held by a callback."""
