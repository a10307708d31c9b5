"""Final answers of Thinking models made numbers and letters by a language model.

The second step of the ViCA report (arXiv 2505.12312, Appendix B): its Thinking model ends in text,
some of it ranges, units or whole sentences, which Qwen2.5-32B-Instruct turned into what VSI-Bench
can score. Here the language model is asked blindly, once, and its replies are kept.
"""
