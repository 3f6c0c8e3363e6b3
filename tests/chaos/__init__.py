"""Real clusters while their machines and networks fail, and a judgement of what their clients were told."""
