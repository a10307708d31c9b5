"""What does this machine have for vicabench, what does it lack, and how can that be installed?"""
