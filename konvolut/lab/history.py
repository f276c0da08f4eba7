"""What the notes say of history: dated events with their sources. They are told and not tested."""

from dataclasses import dataclass

from konvolut.language import later

RUSSAKOVSKY = "Russakovsky et al., ImageNet large scale visual recognition challenge, IJCV 115, 2015"
KRIZHEVSKY = "Krizhevsky et al., ImageNet classification with deep convolutional neural networks, NIPS 2012"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a year: figure is what it is known by, "" where that is no number."""

    year: int
    what: str
    figure: str
    source: str


@dataclass(frozen=True, slots=True)
class History:
    """Events that belong to one sentence of the notes. text: what they are, and what their figures count."""

    id: str
    sentence: str
    text: str
    events: tuple[Event, ...]


_ALL = (
    History(
        "H1",
        "S6",
        later(
            "The winners of the ImageNet contest in classification; figure: top-5 error on its test pictures, of several nets "
            "or features together."
        ),
        (
            Event(2010, later("NEC-UIUC: sparse codes of hand-made features, linear SVM"), "28.2 %", RUSSAKOVSKY),
            Event(2011, later("XRCE: Fisher vectors, linear SVM"), "25.8 %", RUSSAKOVSKY),
            Event(2012, later("SuperVision (AlexNet), with further training pictures"), "15.3 %", KRIZHEVSKY),
            Event(2013, later("Clarifai: convolutional nets, no further pictures"), "11.7 %", RUSSAKOVSKY),
            Event(2014, later("GoogLeNet, seven nets"), "6.67 %", "Szegedy et al., Going deeper with convolutions, CVPR 2015"),
            Event(
                2015, later("ResNet, six nets"), "3.57 %",
                "He et al., Deep residual learning for image recognition, CVPR 2016",
            ),
        ),
    ),
    History(
        "H2",
        "S2",
        later("The years of kernels and hand-made features; figure: top-5 error in the ImageNet contest, where there is one."),
        (
            Event(
                1964, later("kernels as products in a space of features"), "",
                "Aizerman et al., Theoretical foundations of the potential function method in pattern recognition learning, "
                "Automation and Remote Control 25, 1964",
            ),
            Event(
                1992, later("widest margins with kernels"), "",
                "Boser et al., A training algorithm for optimal margin classifiers, COLT 1992",
            ),
            Event(
                1995, later("support-vector networks, with slack"), "",
                "Cortes and Vapnik, Support-vector networks, Machine Learning 20, 1995",
            ),
            Event(
                1998, later("principal components with kernels"), "",
                "Schölkopf et al., Nonlinear component analysis as a kernel eigenvalue problem, Neural Computation 10, 1998",
            ),
            Event(
                2001, later("representer theorem: the answer lies in the span of the data"), "",
                "Schölkopf et al., A generalized representer theorem, COLT 2001",
            ),
            Event(
                2004, later("SIFT: keypoints that survive scale and rotation"), "",
                "Lowe, Distinctive image features from scale-invariant keypoints, IJCV 60, 2004",
            ),
            Event(
                2004, later("bags of visual words"), "",
                "Csurka et al., Visual categorization with bags of keypoints, ECCV workshop 2004",
            ),
            Event(
                2005, later("HOG: histograms of oriented gradients"), "",
                "Dalal and Triggs, Histograms of oriented gradients for human detection, CVPR 2005",
            ),
            Event(
                2006, later("visual words in a pyramid of places"), "",
                "Lazebnik et al., Beyond bags of features: spatial pyramid matching, CVPR 2006",
            ),
            Event(
                2010, later("Fisher vectors for large sets"), "",
                "Perronnin et al., Improving the Fisher kernel for large-scale image classification, ECCV 2010",
            ),
            Event(2011, later("the last ImageNet contest won without a net"), "25.8 %", RUSSAKOVSKY),
        ),
    ),
    History(
        "H3",
        "S1",
        later("AlexNet and the third ImageNet contest; figure: top-5 error on the contest's test pictures."),
        (
            Event(
                2009, later("ImageNet is published"), "",
                "Deng et al., ImageNet: a large-scale hierarchical image database, CVPR 2009",
            ),
            Event(2010, later("the first contest"), "28.2 %", RUSSAKOVSKY),
            Event(2011, later("the second contest"), "25.8 %", RUSSAKOVSKY),
            Event(2012, later("the third: the best entry without a net"), "26.2 %", KRIZHEVSKY),
            Event(2012, later("the third: AlexNet, without further pictures"), "16.4 %", KRIZHEVSKY),
            Event(2012, later("the third: AlexNet, seven nets, the winner"), "15.3 %", KRIZHEVSKY),
        ),
    ),
    History(
        "H4",
        "S47",
        later("What was built on ResNet; figure: the error its paper reports, top-5 on ImageNet or on CIFAR-10."),
        (
            Event(
                2016, later("pre-activation: 1,001 layers on CIFAR-10, batches of 64"), "4.62 %",
                "He et al., Identity mappings in deep residual networks, ECCV 2016",
            ),
            Event(
                2016, later("stochastic depth: 1,202 layers on CIFAR-10"), "4.91 %",
                "Huang et al., Deep networks with stochastic depth, ECCV 2016",
            ),
            Event(
                2016, later("Wide ResNet: broad rather than deep"), "",
                "Zagoruyko and Komodakis, Wide residual networks, BMVC 2016",
            ),
            Event(
                2017, later("ResNeXt: groups of channels, second in the contest of 2016"), "",
                "Xie et al., Aggregated residual transformations for deep neural networks, CVPR 2017",
            ),
            Event(
                2017, later("DenseNet: every layer sees all before it"), "",
                "Huang et al., Densely connected convolutional networks, CVPR 2017",
            ),
            Event(
                2017, later("Inception-ResNet beside Inception-v4: four nets on ImageNet"), "3.08 %",
                "Szegedy et al., Inception-v4, Inception-ResNet and the impact of residual connections on learning, AAAI 2017",
            ),
            Event(
                2017, later("Transformer: a shortcut around every sublayer"), "",
                "Vaswani et al., Attention is all you need, NIPS 2017",
            ),
            Event(
                2017, later("AlphaGo Zero: a tower of residual blocks"), "",
                "Silver et al., Mastering the game of Go without human knowledge, Nature 550, 2017",
            ),
            Event(
                2018, later("SENet: weighted channels, first in the contest of 2017"), "2.25 %",
                "Hu et al., Squeeze-and-excitation networks, CVPR 2018",
            ),
            Event(
                2018, later("MobileNetV2: shortcuts between narrow maps"), "",
                "Sandler et al., MobileNetV2: inverted residuals and linear bottlenecks, CVPR 2018",
            ),
            Event(2022, later("ConvNeXt: ResNet by the recipes of 2022"), "", "Liu et al., A ConvNet for the 2020s, CVPR 2022"),
        ),
    ),
)  # fmt: skip
HISTORY = {history.id: history for history in _ALL}
