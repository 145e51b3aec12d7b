"""Fits the cache's predictor to access logs. Needs torch, which nothing that serves or simulates imports from here."""
