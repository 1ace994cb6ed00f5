"""One target shared among the assets of a node, inside an envelope.

`names` has the rules' names and sources, `rules` says who has a part and how large, `settle` where everybody stands
before anything is asked, and `fill` pours: weighted, into a tree of nested limits. `solve` puts them together and finds
what binds whom; `allocate` says it in words, and `explain` says one asset's part in one sentence. `dermscore.dispatch`
exports what others use.
"""
