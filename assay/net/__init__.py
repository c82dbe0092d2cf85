"""Signed messages between peers, behind one port."""
