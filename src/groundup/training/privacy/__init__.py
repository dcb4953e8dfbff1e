"""Training that can be shown to have learned little from any one document: DP-SGD (Abadi et al. 2016), and what it spends."""
