# The controls that the paper's comparisons lack: the same tables and figures with them, in extended/.

EXTENDED = [
    f"{RESULTS}/extended/{file}"
    for file in ("accuracy.csv", "metrics.csv", "verdict.html", "pareto.svg")
]


use rule accuracy as accuracy_extended with:
    input:
        store=STORE,
        predictions=of_folds("predictions.parquet", RUNS, PROTOCOLS),
    output:
        table=table("accuracy", "Balanced accuracy", "Table 1", "extended"),
        page=table_page("accuracy", "Balanced accuracy", "Table 1", "extended"),
        markdown=f"{RESULTS}/extended/accuracy.md",
        metrics=table("metrics", "All metrics", folder="extended"),
        metrics_page=table_page("metrics", "All metrics", folder="extended"),
        metrics_markdown=f"{RESULTS}/extended/metrics.md",
        folds=table("folds", "Every fold", folder="extended"),
        recalls=table("recalls", "Recall of each class, every fold", folder="extended"),
        counts=f"{RESULTS}/extended/counts.csv",
    log:
        log_of("accuracy_extended"),
    benchmark:
        benchmark_of("accuracy_extended")
    params:
        runs=json.dumps(DESCRIBED),
    message:
        "Balanced accuracy, with the controls"


use rule verdict as verdict_extended with:
    input:
        **EVIDENCE,
        accuracy=rules.accuracy_extended.output,
        claims=CLAIMS,
        template=PAGE,
    output:
        table=table("verdict", "Verdicts on every claim", folder="extended"),
        markdown=f"{RESULTS}/extended/verdict.md",
        page=verdict_page("extended"),
    log:
        log_of("verdict_extended"),
    benchmark:
        benchmark_of("verdict_extended")
    params:
        scope="extended",
    message:
        "A verdict on every claim of the paper, with the controls"


use rule draw_pareto as draw_pareto_extended with:
    input:
        notebook="notebooks/pareto.ipynb",
        accuracy=f"{RESULTS}/extended/accuracy.csv",
        complexity=f"{RESULTS}/tables/complexity.csv",
    output:
        pareto=svg("pareto", "Accuracy against cost", folder="extended"),
        png=png("pareto", folder="extended"),
        notebook=f"{RESULTS}/extended/pareto.ipynb",
        page=notebook_page("pareto", "Accuracy against cost", "extended"),
    log:
        log_of("draw_pareto_extended"),
    benchmark:
        benchmark_of("draw_pareto_extended")
    params:
        parameters=lambda wildcards, input: pareto_parameters(input, "extended"),
    message:
        "Figure: balanced accuracy against cost, with the controls"
