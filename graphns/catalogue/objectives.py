"""What makes a scalar of scores: losses and weightings."""

from __future__ import annotations

from graphns.catalogue.entry import Entry, objective

ROWS: tuple[Entry, ...] = (
    objective("infonce", "infonce:infonce", "softmax of the positive against its negatives",
              "van den Oord et al.: Representation Learning with Contrastive Predictive Coding. 2018", "nt-xent"),
    objective("sampled-softmax", "sampled_softmax:sampled_softmax",
              "the full softmax estimated from draws (logQ)",
              "Bengio and Senécal: Adaptive Importance Sampling. IEEE T-NN 2008", "logq"),
    objective("bce", "bce:binary_cross_entropy", "logistic loss of positives and negatives",
              "Mikolov et al.: Distributed Representations of Words and Phrases. NIPS 2013", "binary-cross-entropy"),
    objective("bpr", "bpr:bpr", "the positive above each negative, by a logistic of the difference",
              "Rendle et al.: BPR. UAI 2009"),
    objective("margin", "margin:margin", "the positive above each negative by a margin",
              "Bordes et al.: Translating Embeddings for Modeling Multi-relational Data. NIPS 2013", "hinge",
              "triplet"),
    objective("reinforce", "reinforce:reinforce", "the generator's loss: reward times log-probability",
              "Williams: Simple Statistical Gradient-Following Algorithms. Machine Learning 1992"),
    objective("self-adversarial", "self_adversarial:self_adversarial",
              "logistic loss, negatives weighted by a softmax of their own scores",
              "Sun et al.: RotatE: Knowledge Graph Embedding by Relational Rotation in Complex Space. ICLR 2019",
              "self-adv", "nssa"),
    objective("dcl", "dcl:dcl", "InfoNCE less the false negatives to be expected",
              "Chuang et al.: Debiased Contrastive Learning. NeurIPS 2020", "debiased"),
    objective("hcl", "hcl:hcl", "debiased InfoNCE, negatives weighted by hardness",
              "Robinson et al.: Contrastive Learning with Hard Negative Samples. ICLR 2021", "hardness"),
    objective("importance-weighted", "importance_weighted:importance_weighted",
              "BPR, negatives weighted to be draws of the model's softmax",
              "Lian et al.: Personalized Ranking with Importance Sampling. WWW 2020", "pris"),
    objective("ccl", "ccl:ccl", "cosines: positives to 1, negatives below a margin, weighted",
              "Mao et al.: SimpleX: A Simple and Strong Baseline for Collaborative Filtering. CIKM 2021", "simplex"),
    objective("jsd", "jsd:jsd", "Jensen-Shannon estimate of mutual information",
              "Veličković et al.: Deep Graph Infomax. ICLR 2019", "dgi"),
    objective("warp", "warp:warp", "a hinge weighted by the rank that the number of tries betrays",
              "Weston et al.: WSABIE: Scaling Up to Large Vocabulary Image Annotation. IJCAI 2011"),
    objective("hinge-auc", "hinge_auc:hinge_auc", "a squared hinge on each difference",
              "Wang et al.: Pairwise Learning for Neural Link Prediction. 2021", "plnlp"),
    objective("full-softmax", "full_softmax:full_softmax", "softmax over every candidate, a block at a time",
              "Lacroix et al.: Canonical Tensor Decomposition for Knowledge Base Completion. ICML 2018", "1-vs-all"),
)
