"""The headend: the control plane between sites and whoever asks something of them. It holds intent, not the devices.

Up:    agents -> fleet (latest state), store (history) -> boundary (signed aggregates), api (HTTP).
Down:  api or boundary -> dispatch (dermscore decides; filing, ledger) -> store (the intent is durable) -> agents
       -> progress.
"""
