# Figures by notebooks that papermill executes; kept with an HTML page of each.

for NOTEBOOK in NOTEBOOK_RESULTS:

    rule:
        name:
            f"draw_{NOTEBOOK.name}"
        input:
            notebook=f"notebooks/{NOTEBOOK.name}.ipynb",
            needs=needed_by(NOTEBOOK),
        output:
            **outputs_of(NOTEBOOK, "figures", figure_files(NOTEBOOK)),
            notebook=f"{STUDY}/notebooks/{NOTEBOOK.name}.ipynb",
            page=in_report(
                f"{STUDY}/notebooks/{NOTEBOOK.name}.html",
                "notebook",
                "Notebooks",
                NOTEBOOK.message,
            ),
        log:
            f"{RESULTS}/logs/{{study}}/draw_{NOTEBOOK.name}.log",
        benchmark:
            f"{RESULTS}/benchmarks/{{study}}/draw_{NOTEBOOK.name}.tsv"
        conda:
            "../../envs/figures.yaml"
        params:
            parameters=parameters_of(NOTEBOOK),
            code=notebook_fingerprint(NOTEBOOK.name),
        message:
            f"Draw: {NOTEBOOK.message} ({{wildcards.study}})"
        shell:
            "python src notebook --notebook {input.notebook:q} --parameters {params.parameters:q} "
            "--output {output.notebook:q} 2>&1 | tee {log:q}"


rule projector:
    input:
        embeddings=lambda wildcards: str(
            STUDIES[wildcards.study].shown_folder / "embeddings.safetensors"
        ),
    output:
        config=f"{STUDY}/projector/projector_config.pbtxt",
        vectors=f"{STUDY}/projector/vectors.tsv",
        classes=f"{STUDY}/projector/classes.tsv",
    log:
        f"{RESULTS}/logs/{{study}}/projector.log",
    benchmark:
        f"{RESULTS}/benchmarks/{{study}}/projector.tsv"
    conda:
        "../../envs/figures.yaml"
    params:
        name=lambda wildcards: STUDIES[wildcards.study].shown,
        code=code_of("projector"),
    message:
        "Class tokens for TensorBoard's embedding projector ({wildcards.study})"
    shell:
        "python src projector --embeddings {input.embeddings:q} --name {params.name:q} "
        "--output {output.config:q} 2>&1 | tee {log:q}"


# Once for the dataset, whatever the study.
rule overview:
    input:
        store=STORE,
        summary=f"{RESULTS}/data/summary.json",
    output:
        page=report(
            OVERVIEW,
            caption="../report/overview.rst",
            category="The data",
            labels={"result": "Classes, ranges and missing joints"},
        ),
        svg=report(
            f"{RESULTS}/data/overview.svg",
            caption="../report/overview.rst",
            category="The data",
            labels={"result": "Some people, places, lengths"},
        ),
        png=f"{RESULTS}/data/overview.png",
    log:
        log_of("overview"),
    benchmark:
        benchmark_of("overview")
    conda:
        "../../envs/figures.yaml"
    params:
        code=code_of("overview"),
    message:
        "Draw people of the dataset"
    shell:
        "python src overview --store {input.store:q} --summary {input.summary:q} "
        "--output {output.page:q} 2>&1 | tee {log:q}"
