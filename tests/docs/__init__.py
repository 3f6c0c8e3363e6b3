"""Every block of code and every command of the README and of the documentation site, executed."""
