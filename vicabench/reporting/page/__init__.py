"""The report as one page of HTML that needs nothing but itself: no network, no other file.

What models reply is untrusted. It enters the page as escaped JSON that no browser executes, and
becomes text and nothing else; a content security policy with hashes lets only our own script run.
"""
