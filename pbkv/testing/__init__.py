"""Clusters in virtual time for the tests of those who use the store."""
