"""dermscore: the dispatch and policy library.

Pure: no sockets, no clock, no protobuf, and no third-party package on import.
"""
