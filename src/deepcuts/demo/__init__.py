"""The demo: a grammar of English minimal pairs, and the run that prunes a real model on them."""
